// Package services starts real servers for tests and for trying things out: Redis,
// Redis Cluster, Sentinel and RabbitMQ, and TCP proxies that fail on request.
//
// Every server is private: it listens on free ports of 127.0.0.1, keeps its files in
// a directory of its own under os.TempDir, and dies with the process that started
// it, whatever ends that one. Stop leaves nothing behind: no process, no file, no
// port. Several test packages may start theirs at the same time.
//
//	r := services.NewRedis(t, services.RedisOptions{})
//	client := redis.NewClient(&redis.Options{Addr: r.Addr()})
//
// Functions that begin with Start take a context and return an error; those that
// begin with New take a testing.TB, fail it, and stop the server in its cleanup. The
// programs come from the distribution, see [Install].
package services
