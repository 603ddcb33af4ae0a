"""Routes of the house: API, its documentation, admin, health, metrics."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerView

from config import health, metrics
from payments.api.customer_returns import customer_return
from payments.api.encryption_keys import encryption_key
from payments.api.provider_webhooks import provider_webhook
from vendors.api.errors import unknown_route

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/"), name="home"),
    path("admin/", admin.site.urls),
    path("api/v1/encryption-key", encryption_key, name="encryption-key"),
    path("api/v1/", include("config.api")),
    path("api/schema/", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs/", SpectacularSwaggerView.as_view(url_name="api-schema"), name="api-docs"),
    path("api/reference/", SpectacularRedocView.as_view(url_name="api-schema"), name="api-reference"),
    path("returns/<str:operation>/", customer_return, name="customer-return"),
    path("webhooks/<str:provider>/", provider_webhook, name="provider-webhook"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.scrape, name="metrics"),
    re_path(r"^api/(?P<path>.*)$", unknown_route, name="unknown-api-route"),
]
