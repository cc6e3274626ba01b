// go-echo-server PORT: bindery.bench.Echo on grpc-go, with messages as raw bytes.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
)

// rawCodec passes messages on as they are.
type rawCodec struct{}

func (rawCodec) Marshal(v interface{}) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, v interface{}) error {
	*v.(*[]byte) = data
	return nil
}

func (rawCodec) String() string { return "raw" }

func get(_ interface{}, _ context.Context, decode func(interface{}) error,
	_ grpc.UnaryServerInterceptor) (interface{}, error) {
	message := new([]byte)
	if err := decode(message); err != nil {
		return nil, err
	}
	return message, nil
}

func stream(_ interface{}, stream grpc.ServerStream) error {
	request := new([]byte)
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	message := make([]byte, 128)
	for i := range message {
		message[i] = 7
	}
	for count := binary.BigEndian.Uint32(*request); count > 0; count-- {
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go-echo-server PORT")
		os.Exit(64)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	server := grpc.NewServer(grpc.CustomCodec(rawCodec{}))
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bindery.bench.Echo",
		HandlerType: (*interface{})(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Get", Handler: get}},
		Streams:     []grpc.StreamDesc{{StreamName: "Stream", Handler: stream, ServerStreams: true}},
	}, struct{}{})
	fmt.Println("ready on 127.0.0.1:" + os.Args[1])
	if err := server.Serve(listener); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
