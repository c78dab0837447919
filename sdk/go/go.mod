module holdfast/device

go 1.19
