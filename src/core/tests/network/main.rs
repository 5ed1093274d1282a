//! The directory of a network, through its public face.

mod administrator;
mod directory;
mod histories;
mod model;
mod nodes;
mod replica;
