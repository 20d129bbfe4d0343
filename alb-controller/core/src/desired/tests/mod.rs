//! Wishes of whole manifests.
