//! Who is calling and what they may do: key pairs, SigV4, basic.
