"""The lab on one screen. Only `app`, `screen`, `panes`, `canvas`, `composer`, `ahead`, `key`, `picker` know Textual."""
