package testservices

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"syscall"
)

// Ports of the tests are 15000 to 29999: below those that Linux gives to whoever dials out, 32768 and up. Any connection of this machine could
// else be given the port of a server that is being restarted, which could then not listen.
const firstPort, ports = 15_000, 15_000

// FreeAddr returns an address of the loopback, host:port, that nobody listens at, and that no test of this machine is given as long as this
// process lives: whoever listens there may end and come back.
func FreeAddr() (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), nil
}

// freePort is FreeAddr's port.
func freePort() (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(ports)
		if free, err := reserve(port); err != nil || free {
			return port, err
		}
	}
	return 0, fmt.Errorf("find a free port between %d and %d: a thousand tries found none", firstPort, firstPort+ports-1)
}

// reserve says whether a port is free, and keeps it from the other tests' processes if it is. What keeps it is the name of a socket that is in no
// folder: it goes with the process.
func reserve(port int) (free bool, err error) {
	hold, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0) // a number, as a file would be closed once nobody holds it
	if err != nil {
		return false, fmt.Errorf("reserve port %d: %w", port, err)
	}
	err = syscall.Bind(hold, &syscall.SockaddrUnix{Name: "@caudal-tests-port-" + strconv.Itoa(port)})
	if err == nil {
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return true, l.Close()
		}
	}
	if e := syscall.Close(hold); e != nil || !errors.Is(err, syscall.EADDRINUSE) {
		return false, fmt.Errorf("reserve port %d: %w", port, errors.Join(err, e))
	}
	return false, nil
}
