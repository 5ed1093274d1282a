//! trustnet-core
