//! Crowds of frames that no decent peer sends: what they cost, and whom.
