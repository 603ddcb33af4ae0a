"""What operations cost, where a provider tells it by its settlement report alone.

The fee is kept with the operation, and counted in the dispute that it is about (I-112), by whoever books the
report, in the same phase as its posting.
"""

from collections.abc import Mapping
from datetime import datetime

from ledger.actors import Actor
from ledger.events import Cause
from ledger.locks import require_phase
from ledger.recording import record
from payments import locks, news
from payments.models import ProviderOperation
from payments.models.operations import TOLD


def learn(told: Mapping[ProviderOperation, int], *, actor: Actor, at: datetime, cause: Cause) -> None:
    """Keep what concluded operations cost, in minor units; the caller posts it.

    :raises NoPhase: none is open.
    """
    require_phase()
    for operation, fee_minor in told.items():
        operation.fee_minor = fee_minor
        if operation.kind in TOLD:
            payment, dispute = locks.dispute(operation.merchant_id, operation.subject_id)
            with record(dispute, actor=actor, at=at, cause=cause) as entry:
                dispute.revise()
                dispute.fee_minor += fee_minor
                entry.announce(news.of_dispute(dispute, payment, step_fee_minor=fee_minor))
    ProviderOperation.objects.bulk_update(told, ["fee_minor"], batch_size=1000)
