"""What `import jaxcnn` hands out; everything heavy is imported where it is used."""
