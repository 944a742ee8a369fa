from django.apps import AppConfig


class WebappAppConfig(AppConfig):
    name = "webapp"

    def ready(self) -> None:
        from webapp import checks  # noqa: F401  registers them
