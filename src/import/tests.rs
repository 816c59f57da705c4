//! Every format with its traps, and what must not get through.
