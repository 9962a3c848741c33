//! Typed refusals: from every flow's refusal to its `ProblemCode`.
