//! Plugins from the outside: what loads, what a good guest gets, and what a hostile one cannot do.

mod adapters;
mod capabilities;
mod cost;
mod fresh;
mod good;
mod guests;
mod hostile;
mod loading;
mod waiting;
