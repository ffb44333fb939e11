//! Recorded traffic with every text, id and name replaced at random: nothing in a translation can be looked up.
