// cpp-echo-server PORT: bindery.bench.Echo on gRPC C++, by its asynchronous generic service: one
// completion queue and one thread a core, messages as raw bytes.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using grpc::ByteBuffer;
using grpc::Slice;

// One call at a time; when it is over, it serves the next one.
class Call {
 public:
  Call(grpc::AsyncGenericService* service, grpc::ServerCompletionQueue* queue)
      : service_(service), queue_(queue) {
    Accept();
  }

  void Proceed(bool ok) {
    switch (state_) {
      case State::kAccepting:
        if (!ok) {
          delete this;
          return;
        }
        new Call(service_, queue_);
        state_ = State::kReading;
        stream_->Read(&message_, this);
        return;
      case State::kReading:
        if (!ok) return Finish(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no message"));
        if (context_->method() == "/bindery.bench.Echo/Get") {
          state_ = State::kFinishing;
          stream_->WriteAndFinish(message_, grpc::WriteOptions(), grpc::Status::OK, this);
        } else if (context_->method() == "/bindery.bench.Echo/Stream") {
          left_ = Count();
          Slice slice(std::string(128, 7));
          message_ = ByteBuffer(&slice, 1);
          state_ = State::kWriting;
          Write();
        } else {
          Finish(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "no such method"));
        }
        return;
      case State::kWriting:
        if (!ok) return Finish(grpc::Status::CANCELLED);
        Write();
        return;
      case State::kFinishing:
        delete this;
        return;
    }
  }

 private:
  enum class State { kAccepting, kReading, kWriting, kFinishing };

  void Accept() {
    context_ = std::make_unique<grpc::GenericServerContext>();
    stream_ = std::make_unique<grpc::GenericServerAsyncReaderWriter>(context_.get());
    state_ = State::kAccepting;
    service_->RequestCall(context_.get(), stream_.get(), queue_, queue_, this);
  }

  void Write() {
    if (left_ == 0) return Finish(grpc::Status::OK);
    --left_;
    // Not with set_buffer_hint(): then the last messages wait for ever for one that flushes them.
    stream_->Write(message_, this);
  }

  void Finish(const grpc::Status& status) {
    state_ = State::kFinishing;
    stream_->Finish(status, this);
  }

  uint32_t Count() {
    std::vector<Slice> slices;
    if (!message_.Dump(&slices).ok() || slices.empty() || slices[0].size() < 4) return 0;
    const uint8_t* bytes = slices[0].begin();
    return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
  }

  grpc::AsyncGenericService* service_;
  grpc::ServerCompletionQueue* queue_;
  std::unique_ptr<grpc::GenericServerContext> context_;
  std::unique_ptr<grpc::GenericServerAsyncReaderWriter> stream_;
  State state_ = State::kAccepting;
  ByteBuffer message_;
  uint32_t left_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: cpp-echo-server PORT\n");
    return 64;
  }
  // Whoever starts it may block signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_UNBLOCK, &signals, nullptr);
  std::signal(SIGTERM, SIG_DFL);
  std::string address = std::string("127.0.0.1:") + argv[1];
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterAsyncGenericService(&service);
  unsigned cores = std::thread::hardware_concurrency();
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (unsigned i = 0; i < cores; ++i) queues.push_back(builder.AddCompletionQueue());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server || port == 0) {
    std::fprintf(stderr, "cannot listen on %s\n", address.c_str());
    return 1;
  }
  std::vector<std::thread> threads;
  for (auto& queue : queues) {
    for (int i = 0; i < 64; ++i) new Call(&service, queue.get());
    threads.emplace_back([&queue] {
      void* tag;
      bool ok;
      while (queue->Next(&tag, &ok)) static_cast<Call*>(tag)->Proceed(ok);
    });
  }
  std::printf("ready on %s\n", address.c_str());
  std::fflush(stdout);
  for (auto& thread : threads) thread.join();
}
