"""Pure data: why a bank sends an entry back, in our words: scheme's code -> canonical decline, meaning.

ACH: Nacha Operating Rules, Appendix Four (return reasons). SEPA: EPC's guidance on reason codes (EPC173-14).
A code that is not in the table is still a return: the money does not come. It is told as `do_not_honor`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

UNKNOWN: Final = "do_not_honor"

ACH: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "R01": ("insufficient_funds", "Insufficient funds"),
        "R02": ("no_such_account", "Account closed"),
        "R03": ("no_such_account", "No account, or another holder's"),
        "R04": ("no_such_account", "Account number not valid"),
        "R05": ("authorization_revoked", "Consumer account debited as a company's"),
        "R06": ("psp_config", "Returned at our bank's request"),
        "R07": ("authorization_revoked", "Authorization revoked by the customer"),
        "R08": ("stop_payment", "Payment stopped"),
        "R09": ("insufficient_funds", "Uncollected funds"),
        "R10": ("authorization_revoked", "Originator not known or not authorized"),
        "R11": ("authorization_revoked", "Not according to the authorization"),
        "R12": ("no_such_account", "Account at another bank now"),
        "R13": ("no_such_issuer", "Bank not in the ACH"),
        "R14": ("no_such_account", "Payee deceased or unable"),
        "R15": ("no_such_account", "Holder deceased"),
        "R16": ("do_not_honor", "Account frozen"),
        "R17": ("psp_config", "Entry could not be edited"),
        "R18": ("psp_config", "Effective date wrong"),
        "R19": ("amount_invalid", "Amount wrong"),
        "R20": ("no_such_account", "Not an account for payments"),
        "R21": ("psp_config", "Company id not valid"),
        "R22": ("psp_config", "Individual id not valid"),
        "R23": ("do_not_honor", "Credit refused by the receiver"),
        "R24": ("duplicate", "Duplicate entry"),
        "R25": ("psp_config", "Addenda wrong"),
        "R26": ("psp_config", "Mandatory field wrong"),
        "R27": ("psp_config", "Trace number wrong"),
        "R28": ("no_such_issuer", "Check digit of the routing number wrong"),
        "R29": ("authorization_revoked", "Company says that it did not authorize it"),
        "R31": ("do_not_honor", "Returned with our consent"),
        "R33": ("do_not_honor", "Destroyed check entry returned"),
        "R34": ("no_such_issuer", "Bank takes part with limits"),
        "R35": ("psp_config", "Debit not allowed here"),
        "R36": ("psp_config", "Credit not allowed here"),
    }
)

SEPA: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "AC01": ("no_such_account", "Account number wrong"),
        "AC04": ("no_such_account", "Account closed"),
        "AC06": ("do_not_honor", "Account blocked"),
        "AC13": ("do_not_honor", "A consumer's account"),
        "AG01": ("do_not_honor", "Debits forbidden on this account"),
        "AG02": ("psp_config", "Operation code wrong"),
        "AM04": ("insufficient_funds", "Insufficient funds"),
        "AM05": ("duplicate", "Duplicate collection"),
        "BE05": ("psp_config", "Creditor identifier not recognised"),
        "CNOR": ("no_such_issuer", "Creditor's bank not registered"),
        "DNOR": ("no_such_issuer", "Debtor's bank not registered"),
        "FF01": ("psp_config", "Format not valid"),
        "FF05": ("psp_config", "Local instrument wrong"),
        "MD01": ("authorization_revoked", "No valid mandate"),
        "MD02": ("psp_config", "Mandate data missing"),
        "MD06": ("authorization_revoked", "Refund asked for by the debtor"),
        "MD07": ("no_such_account", "Debtor deceased"),
        "MS02": ("stop_payment", "Refused by the debtor"),
        "MS03": ("do_not_honor", "Reason not told"),
        "RC01": ("no_such_issuer", "BIC wrong"),
        "RR01": ("psp_config", "Debtor's account missing"),
        "RR02": ("psp_config", "Debtor's name missing"),
        "RR03": ("psp_config", "Creditor's name missing"),
        "RR04": ("psp_config", "Regulatory reason"),
        "SL01": ("do_not_honor", "Creditor not on the debtor's list"),
    }
)


def meaning(table: Mapping[str, tuple[str, str]], code: str) -> tuple[str, str]:
    """Return the canonical decline and the words for a code."""
    canonical, says = table.get(code, (UNKNOWN, "Returned by the bank"))
    return canonical, f"{says} ({code})" if code else says
