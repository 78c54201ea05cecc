//! Small work trees for tests.
