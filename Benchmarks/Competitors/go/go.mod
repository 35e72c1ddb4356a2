module gocopy

go 1.19
