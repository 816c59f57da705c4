//! The access check: what an endpoint really gives, found out with positive controls.
