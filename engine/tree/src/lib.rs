//! The content-addressed tree of a commit: nodes, packs, builder, diff and three-way walk.
