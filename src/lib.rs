//! A parentage test for language models.

pub mod battery;
pub mod collect;
pub mod digest;
pub mod evidence;
pub mod fingerprint;
pub mod identity;
pub mod measure;
pub mod model;
pub mod panel;
pub mod passes;
pub mod question;
pub mod response;
pub mod tree;
pub mod weigh;
