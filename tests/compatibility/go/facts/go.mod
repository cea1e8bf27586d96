module broker.tests/facts

go 1.24
