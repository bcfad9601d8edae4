module anabranch/plugin

go 1.25
