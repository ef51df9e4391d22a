//go:build !linux

package engine

func setBindNoPort(int) {}
