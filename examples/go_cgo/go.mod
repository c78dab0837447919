module holdfast/gateway

go 1.19
