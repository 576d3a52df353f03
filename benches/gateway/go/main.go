// grpc-gateway before a library, as its documentation has it, with canonical JSON.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/grpc-ecosystem/grpc-gateway/runtime"
	"google.golang.org/grpc"

	library "library/v1"
)

func main() {
	// the other end is the bench
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := serve(os.Getenv("SOUK_BENCH_BACKEND")); err != nil {
		log.Fatal(err)
	}
}

func serve(backend string) error {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{}),
	)
	options := []grpc.DialOption{grpc.WithInsecure()}
	err := library.RegisterLibraryHandlerFromEndpoint(context.Background(), mux, backend, options)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("listens on", listener.Addr())
	return http.Serve(listener, mux)
}
