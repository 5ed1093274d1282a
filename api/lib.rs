//! trustnet-api
