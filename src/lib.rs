//! A parentage test for language models.

pub mod battery;
pub mod digest;
pub mod identity;
pub mod measure;
pub mod model;
pub mod question;
pub mod response;
pub mod tree;
pub mod weigh;
