"""The counters and histograms that the ground floor raises; `config.metrics` serves them."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

postings: Final = Counter("everycent_postings_total", "Postings written.")
transitions: Final = Counter("everycent_transitions_total", "State changes.", ["machine", "edge"])
outbox_failures: Final = Counter("everycent_outbox_failures_total", "Handler failures.", ["handler"])
jobs_run: Final = Counter("everycent_jobs_total", "Jobs run.", ["kind", "result"])
publish_failures: Final = Counter("everycent_publish_failures_total", "Hints that the broker did not take.")
job_seconds: Final = Histogram("everycent_job_seconds", "Duration of jobs in seconds.", ["kind"])
invariant_violations: Final = Gauge(
    "everycent_invariant_violations", "Rows that broke an invariant when it was last checked.", ["number"]
)
sweep_lateness_seconds: Final = Gauge(
    "everycent_sweep_lateness_seconds", "Age of the oldest due item that a sweep found.", ["sweep"]
)
fx_left_out: Final = Counter(
    "everycent_fx_sources_left_out_total",
    "Sources of rates that were too far off to be believed.",
    ["source"],
)
fx_fetches: Final = Counter("everycent_fx_fetches_total", "Fetches of rates.", ["source", "result"])
operations_contradicted: Final = Counter(
    "everycent_operations_contradicted_total",
    "Providers' words against what was concluded.",
    ["provider", "kind"],
)
sagas_blocked: Final = Counter(
    "everycent_sagas_blocked_total", "Marketplace payments that wait for a person."
)
recalls: Final = Counter(
    "everycent_recalls_total", "Readings of what is remembered, by where it was found.", ["kind", "tier"]
)
