//! Our codecs against those that others wrote for the same protocols, over random values of every
//! field: a misreading of a specification that our two directions share shows nowhere else.

#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]

mod itch;
mod options;
mod ouch;
mod ouch42;
