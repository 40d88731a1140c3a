"""Page: results as one self-contained HTML file that a reader can judge, print, and take numbers from."""

from neurornn.page.build import Page as Page
from neurornn.page.build import report as report
from neurornn.page.section import Section as Section
from neurornn.page.titles import TITLES as TITLES
