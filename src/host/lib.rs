//! trustnet-host
