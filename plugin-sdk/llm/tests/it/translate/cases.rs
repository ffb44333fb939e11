//! Translations written by hand, as data.
