module gosum-merge

go 1.25

require anabranch/plugin v0.0.0

replace anabranch/plugin => ./sdk
