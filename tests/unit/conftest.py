"""Makes `ansible_collections.understudy.nvr` importable from any checkout and any working directory."""

from pathlib import Path

from ansible.utils.collection_loader import _collection_finder

_ROOT = Path(__file__).resolve().parents[2]
_collection_finder._AnsibleCollectionFinder(paths=[str(_ROOT / "collections")])._install()
