"""The lab on one screen. Only `app`, `screen`, `panes`, `canvas`, `composer` and `picker` know Textual."""
