// Package check holds the tests of what stands around it: each description of how caudal is run is read by what is made for it. It is a
// module of its own, so that none of those libraries comes near the binary.
package check
