//! `rialto demo`.

mod market;
mod report;
mod trader;
mod walk;
