package engine

// #include <stdlib.h>
// #include "registers.h"
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/caudal/caudal/internal/algebra"
)

// registerRegisters makes algebra.RegisterFunction known to all connections of the database: DuckDB's md5_number, and the arithmetic on what it
// makes, takes five times as long.
func (c *Conn) registerRegisters() error {
	name := C.CString(algebra.RegisterFunction)
	defer C.free(unsafe.Pointer(name))
	if C.caudal_registers_register(c.con.Ptr, name) != 0 {
		return fmt.Errorf("DuckDB refused the function %s", algebra.RegisterFunction)
	}
	return nil
}
