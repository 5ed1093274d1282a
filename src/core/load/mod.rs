//! Text to wire types.
