//! The verbs: each reads top to bottom what it does.

pub mod cache;
pub mod config;
pub mod console;
pub mod cp;
pub mod create;
pub mod destroy;
pub mod diagnose;
pub mod exec;
pub mod fix;
pub mod get;
pub mod list;
pub mod logs;
pub mod plan;
pub mod power;
pub mod provision;
pub mod reference;
pub mod render;
pub mod resume;
pub mod service;
pub mod service_files;
pub mod ssh;
pub mod status;
pub mod test;
pub mod validate;
pub mod wait;
