//! Amazon Route 53, by Amazon's own kit.
