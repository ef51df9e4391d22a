package redis

const nodeEnv = "CARILLON_TEST_REDIS"

func runNode(string) {}
