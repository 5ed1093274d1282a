//! Filled by the modules below.
