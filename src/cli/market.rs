//! `rialto market`: an operator's commands to a running node.
