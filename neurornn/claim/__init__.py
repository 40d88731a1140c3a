"""Claims: a fit recipe run over seeds, its gates judged, and the card that says what came out."""

from neurornn.claim.card import Card, Verdict, card_of, card_path, write_card
from neurornn.claim.check import check
from neurornn.claim.run import run_recipe

__all__ = ["Card", "Verdict", "card_of", "card_path", "check", "run_recipe", "write_card"]
