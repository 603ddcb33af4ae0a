"""The tables of this app, named for Django."""

from fraud.models.checks import FraudCheck, FraudReview
from fraud.models.rules import ListEntry, RiskRule
from fraud.models.signals import Signal

__all__ = ["FraudCheck", "FraudReview", "ListEntry", "RiskRule", "Signal"]
