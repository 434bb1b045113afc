"""A picture and an .npz of its numbers for each image file, by each method that explains images."""
