"""The least that an entry of the catalogue of sources says."""

ENTRY = {
    "kind": "checkpoint",
    "media": "images",
    "title": "A test",
    "access": "open",
    "page": "https://example.org",
    "licence": "MIT",
    "cite": "none",
}
