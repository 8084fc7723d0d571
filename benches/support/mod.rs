//! What the end-to-end benchmark is made of: a backend that counts, the server as a process of
//! its own, and the table.

pub(crate) mod process;
pub(crate) mod row;
pub(crate) mod run;
pub(crate) mod sink;
pub(crate) mod table;
