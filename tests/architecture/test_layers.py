"""The import contracts of pyproject.toml: layers only look down, and cores do no IO."""

import os

from importlinter import cli

from tests.architecture.source import ROOT


def test_imports_keep_to_the_layers(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("logging.config.dictConfig", lambda _config: None)  # it would silence every other logger
    outcome = cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=not os.access(ROOT, os.W_OK))
    assert outcome == 0, capsys.readouterr().out
