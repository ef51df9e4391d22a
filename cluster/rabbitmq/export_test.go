package rabbitmq

import "time"

// BindEvery sets how often the queue is bound again. To be called before Open.
func (b *Bus) BindEvery(interval time.Duration) { b.consumer.bindEvery = interval }
