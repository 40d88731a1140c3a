"""When a task changes during training, and which readout heads are scored meanwhile."""

from neurornn.curriculum.base import AbstractCurriculum as AbstractCurriculum
from neurornn.curriculum.base import Stage as Stage
from neurornn.curriculum.base import Stages as Stages
from neurornn.curriculum.base import check_stage as check_stage
from neurornn.curriculum.growing import MultiHead as MultiHead
from neurornn.curriculum.growing import NoCurriculum as NoCurriculum
from neurornn.curriculum.growing import SingleHead as SingleHead
from neurornn.curriculum.growing import Sliding as Sliding
from neurornn.curriculum.mixing import Combined as Combined
from neurornn.curriculum.mixing import Mixed as Mixed
from neurornn.curriculum.mixing import Naive as Naive
